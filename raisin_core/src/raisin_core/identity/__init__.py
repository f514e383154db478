"""Who is who: key pairs, the roster of a cluster, and the place where payloads are sealed."""
