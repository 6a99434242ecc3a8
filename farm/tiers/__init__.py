"""The only code that knows Ray: Serve deployments, print gangs, the dispatcher, the local farm."""
