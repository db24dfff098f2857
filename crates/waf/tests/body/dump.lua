-- Run by ModSecurity in phase 5: writes every variable that a body, query or cookie parser fills to the file
-- named by the environment, one `name value` line each with values in hexadecimal.
local function hex(s)
    return (s:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

local SINGLE = {
    "REQBODY_ERROR", "REQBODY_ERROR_MSG", "URLENCODED_ERROR", "FILES_COMBINED_SIZE", "MULTIPART_NAME", "MULTIPART_FILENAME",
    "MULTIPART_BOUNDARY_QUOTED", "MULTIPART_BOUNDARY_WHITESPACE", "MULTIPART_DATA_BEFORE", "MULTIPART_DATA_AFTER",
    "MULTIPART_HEADER_FOLDING", "MULTIPART_LF_LINE", "MULTIPART_CRLF_LF_LINES", "MULTIPART_MISSING_SEMICOLON",
    "MULTIPART_INVALID_QUOTING", "MULTIPART_INVALID_HEADER_FOLDING", "MULTIPART_INVALID_PART",
    "MULTIPART_FILE_LIMIT_EXCEEDED", "MULTIPART_UNMATCHED_BOUNDARY", "MULTIPART_STRICT_ERROR", "MULTIPART_CRLF_LINE",
}
local LISTS = {
    "ARGS_NAMES", "ARGS", "REQUEST_COOKIES_NAMES", "REQUEST_COOKIES", "FILES", "FILES_NAMES", "FILES_SIZES", "FILES_TMP_CONTENT",
    "MULTIPART_PART_HEADERS",
}

function main()
    local out = io.open(os.getenv("DUMP_FILE"), "wb")
    if out == nil then return nil end
    for _, name in ipairs(SINGLE) do
        local value = m.getvar(name, "none")
        if value ~= nil then out:write("single ", name, " ", hex(tostring(value)), "\n") end
    end
    for _, name in ipairs(LISTS) do
        for _, item in ipairs(m.getvars(name, "none")) do
            out:write("item ", name, " ", hex(item["name"]), " ", hex(item["value"]), "\n")
        end
    end
    local paths = m.getvar("REQUEST_HEADERS.X-XPath", "none")
    if paths ~= nil then
        for path in paths:gmatch("[^\t]+") do
            for _, item in ipairs(m.getvars("XML." .. path, "none")) do
                out:write("xpath ", hex(path), " ", hex(item["value"]), "\n")
            end
        end
    end
    out:write("end\n")
    out:close()
    return nil
end
