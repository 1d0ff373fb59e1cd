"""Who somebody is: identities, and where they are told."""
