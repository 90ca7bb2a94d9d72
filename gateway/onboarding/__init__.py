"""From first contact to a record in the registry: the certificate API, the onboarding flow, and who is trusted."""
