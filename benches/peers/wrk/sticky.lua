-- Each request belongs to one of the sessions in `cookies`, in turn: every server has its share of them.
local prepared, turn = {}, 0

init = function(args)
    for n, cookie in ipairs(cookies) do
        wrk.headers["Cookie"] = cookie
        prepared[n] = wrk.format()
    end
end

request = function()
    turn = turn % #prepared + 1
    return prepared[turn]
end
