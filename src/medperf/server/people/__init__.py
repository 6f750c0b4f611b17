"""Organizations, users, invitations and access tokens: how people come in."""
