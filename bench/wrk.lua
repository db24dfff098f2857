-- Sends the files named behind `--`, each a raw HTTP/1.1 request, in turn and byte for byte.
local requests = {}

function init(args)
   for _, path in ipairs(args) do
      local file = assert(io.open(path, "rb"))
      requests[#requests + 1] = file:read("*a")
      file:close()
   end
   assert(#requests > 0, "no request files")
end

local sent = 0

function request()
   sent = sent + 1
   return requests[(sent - 1) % #requests + 1]
end
