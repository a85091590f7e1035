"""Isolation, measured: known anomalies as scripts of two or three sessions, played at every level of a database.

Serves section 13.4. May import the rest of `database`, `pools` and `settings`.
"""

from lab_support.database.isolation.anomalies import ANOMALIES
from lab_support.database.isolation.levels import IMMEDIATE, SNAPSHOT_ISOLATION, Level
from lab_support.database.isolation.matrix import AnomalyMatrix, anomaly_matrix, play_anomaly
from lab_support.database.isolation.play import Played
from lab_support.database.isolation.scripts import Anomaly, Step

__all__ = [
    "ANOMALIES",
    "IMMEDIATE",
    "SNAPSHOT_ISOLATION",
    "Anomaly",
    "AnomalyMatrix",
    "Level",
    "Played",
    "Step",
    "anomaly_matrix",
    "play_anomaly",
]
