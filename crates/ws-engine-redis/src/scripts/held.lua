-- What the store has of a node in a partition: the channels where it has members, and its users. KEYS these two sets.
return { redis.call('SMEMBERS', KEYS[1]), redis.call('SMEMBERS', KEYS[2]) }
