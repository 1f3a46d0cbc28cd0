-- copy_ready: copy, token, go (0 or 1). A copy that excludes writers waits for those that were there before it. Adds how
-- many still are. When there is none, or with `go`, it begins anew from here: what was touched before does not count,
-- since it has read nothing yet. FENCED too when the copy is not on record.

local stop = enter()
if stop then
    return stop
end
local name = ARGV[4]
local packed = call('HGET', base .. 'copies', name)
local copy = packed and cmsgpack.unpack(packed)
if is_fenced(ARGV[5]) or not copy or copy.orphan or copy.token ~= token then
    return answer('FENCED')
end
local writers = count_writers(name, copy)
if writers == 0 or ARGV[6] == '1' then
    grow()
    copy.s0 = seq
    call('HSET', base .. 'copies', name, cmsgpack.pack(copy))
    trim_touches()
end
return answer('OK', writers)
