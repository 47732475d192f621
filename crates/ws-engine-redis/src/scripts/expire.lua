-- Has keys of a self-test expire.
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 60000) end
return #KEYS
