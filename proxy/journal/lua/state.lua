-- state: adds what `describe` tells.

local stop = enter()
if stop then
    return stop
end
return answer('OK', unpack(describe()))
