"""The client: what `import raisin` gives, from the verbs down to the connection.

Import order: the face -> verbs (map, process, scan) -> handles -> connection, embedded -> session -> machine ->
messages.
`machine` and `commands` are pure: no clock, socket, file, thread or randomness.
"""
