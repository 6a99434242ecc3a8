"""The only code that knows Ray: Serve deployments, print gangs, the dispatcher's actor, the local farm."""
