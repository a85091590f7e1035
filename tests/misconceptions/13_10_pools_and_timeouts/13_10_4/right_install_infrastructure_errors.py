from lab_support.pools import install_infrastructure_errors


def install_errors(app):
    install_infrastructure_errors(app, retry_after_s=2)
