#!/usr/bin/env python3
"""Asks Apache with ModSecurity 2 what it makes of the cases in this folder, and writes its answers into them.

    ./record.py [FILE.txt ...]      all files when none is named

Needs apache2 and libapache2-mod-security2; listens on a free loopback port; leaves nothing behind. A case is a block of
lines separated by blank lines; the inputs (`site`, `type`, `body`, `query`, `cookie`, `xpath`) are kept, the `>` lines
below them are replaced. `=` lines are kept: what monban says instead, on purpose.
Where an error shows only at the end of a body, Apache answers 500 and runs no rules of
phase 2 (even in DetectionOnly), so the variables are read in phase 5 and a line `> refused 500` says so. Escapes: \\r \\n \\t \\\\ \\xHH, and \\{TEXT*N} repeats TEXT (itself escaped) N times.
"""
import itertools, os, re, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))

CONFIG = """
ServerRoot {root}
ServerName localhost
PidFile {root}/httpd.pid
ErrorLog {root}/error.log
LogLevel warn
Listen 127.0.0.1:{port}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule unique_id_module {modules}/mod_unique_id.so
LoadModule security2_module {modules}/mod_security2.so
DocumentRoot {root}/htdocs
HttpProtocolOptions Unsafe LenientMethods Allow0.9
LimitRequestLine 1000000
LimitRequestFieldSize 1000000
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 134217728
SecRequestBodyNoFilesLimit 134217728
SecRequestBodyInMemoryLimit 134217728
SecDataDir {root}
SecTmpDir {root}
SecUploadDir {root}
SecArgumentsLimit 1000
"""

SITE = """
<VirtualHost 127.0.0.1:{port}>
ServerName {name}
DocumentRoot {root}/htdocs
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 134217728
SecRequestBodyNoFilesLimit 134217728
SecRequestBodyInMemoryLimit 134217728
SecTmpDir {root}
SecUploadDir {root}
SecUploadKeepFiles {keep}
SecArgumentsLimit {arguments}
SecRequestBodyJsonDepthLimit {depth}
SecUploadFileLimit {files}
SecCookieFormat {cookie}
SecArgumentSeparator "{separator}"
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\\+|/)|text/)xml" \
  "id:1,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:2,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "^x-multipart" "id:3,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=MULTIPART"
SecRuleScript {here}/dump.lua "id:9,phase:5,pass,nolog,xmlns:soap=http://schemas.xmlsoap.org/soap/envelope/"
</VirtualHost>
"""

# The settings that the `site` line of a case names; the test has the same table.
SITES = {
    "default": dict(arguments=1000, depth=512, files=100, cookie=0, separator="&", keep="Off"),
    "small": dict(arguments=5, depth=3, files=2, cookie=1, separator=";", keep="On"),
}


def unescape(text):
    out = bytearray()
    i = 0
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode("latin-1")
            i += 1
            continue
        kind = text[i + 1]
        if kind == "x":
            out.append(int(text[i + 2 : i + 4], 16))
            i += 4
        elif kind == "{":
            end = text.index("}", i)
            piece, count = text[i + 2 : end].rsplit("*", 1)
            out += unescape(piece) * int(count)
            i = end + 1
        else:
            out += {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}[kind]
            i += 2
    return bytes(out)


def escape(data):
    out = []
    for run in re.finditer(rb"(?s)(.)\1*", data):
        byte, count = run.group(1)[0], len(run.group(0))
        one = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\"}.get(byte)
        if one is None:
            plain = 32 <= byte < 127 and not (count >= 64 and byte in b"}*")
            one = chr(byte) if plain else "\\x%02x" % byte
        out.append("\\{%s*%d}" % (one, count) if count >= 64 else one * count)
    text = "".join(out)
    # A space at the end of a line would be lost to editors.
    return text[:-1] + "\\x20" if text.endswith(" ") else text


def unescape_log(name):
    """ModSecurity escapes the names of variables for its log."""
    plain = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\"}
    return re.sub(rb"(?s)\\(x..|.)", lambda m: plain.get(m[1]) or bytes.fromhex(m[1][1:].decode()), name)


class Apache:
    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="modsecurity-oracle-")
        os.chmod(self.root, 0o777)
        os.mkdir(self.root + "/htdocs")
        open(self.root + "/htdocs/index.html", "w").write("ok")
        for name in ("dump.lua",):
            shutil.copy(HERE + "/" + name, self.root)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        fields = dict(root=self.root, port=self.port, modules="/usr/lib/apache2/modules", here=self.root)
        text = CONFIG.format(**fields)
        for name, settings in SITES.items():
            text += SITE.format(name=name, **fields, **settings)
        open(self.root + "/httpd.conf", "w").write(text)
        self.dump = self.root + "/dump"
        env = dict(os.environ, DUMP_FILE=self.dump)
        command = ["apache2", "-X", "-d", self.root, "-f", self.root + "/httpd.conf"]
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE)
        for _ in range(100):
            if self.process.poll() is not None:
                sys.exit("apache2 ended: " + self.process.stderr.read().decode())
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.05)
        sys.exit("apache2 does not listen")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        if os.environ.get("KEEP"):
            print(self.root)
        else:
            shutil.rmtree(self.root)

    def ask(self, case):
        """The `>` lines for one case: a dict of input lines."""
        if os.path.exists(self.dump):
            os.unlink(self.dump)
        target = b"/index.html"
        if "query" in case:
            target += b"?" + unescape(case["query"][0])
        head = [b"%s %s HTTP/1.1" % (b"POST" if "body" in case else b"GET", target)]
        head += [b"Host: " + case.get("site", ["default"])[0].encode(), b"Connection: close"]
        if "type" in case:
            head.append(b"Content-Type: " + unescape(case["type"][0]))
        for cookie in case.get("cookie", []):
            head.append(b"Cookie: " + unescape(cookie))
        if "xpath" in case:
            head.append(b"X-XPath: " + b"\t".join(unescape(path) for path in case["xpath"]))
        body = b""
        if "body" in case:
            body = unescape(case["body"][0])
            head.append(b"Content-Length: %d" % len(body))
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
            answer = b""
            while chunk := peer.recv(65536):
                answer += chunk
        # Phase 5 comes after the answer.
        for _ in range(200):
            if os.path.exists(self.dump) and open(self.dump).read().endswith("end\n"):
                break
            time.sleep(0.005)
        else:
            sys.exit("no answer for %r: %r" % (case, answer[:200]))
        status = answer[9:12].decode()
        lines = ["> refused " + status] if status != "200" else []
        lines += [line.rstrip() for line in self.lines(open(self.dump).read().splitlines())]
        runs = [(line, len(list(run))) for line, run in itertools.groupby(lines)]
        return [line if count == 1 else "> %d * %s" % (count, line[2:]) for line, count in runs]

    def lines(self, dump):
        names = {"ARGS": "arg", "REQUEST_COOKIES": "cookie", "FILES": "file", "FILES_NAMES": "file-name",
                 "FILES_SIZES": "file-size", "FILES_TMP_CONTENT": "file-content", "MULTIPART_PART_HEADERS": "part-header"}
        assert dump[-1] == "end"
        queue = []
        for line in dump[:-1]:
            kind, *fields = line.split(" ")
            value = bytes.fromhex(fields[-1])
            if kind == "single":
                name = fields[0].removeprefix("MULTIPART_").lower().replace("_", "-")
                if value not in (b"0", b""):
                    yield "> %s %s" % (name, escape(value))
            elif kind == "xpath":
                yield "> xpath %s = %s" % (escape(bytes.fromhex(fields[0])), escape(value))
            elif fields[0] == "FILES_NAMES":
                yield "> file-name %s" % escape(value)
            elif fields[0].endswith("_NAMES"):
                # The names of variables are escaped for the log, so the real ones come from the values of their _NAMES.
                queue.append(value)
            else:
                if names[fields[0]] in ("arg", "cookie"):
                    name = queue.pop(0)
                else:
                    name = unescape_log(bytes.fromhex(fields[1]).partition(b":")[2])
                yield "> %s %s = %s" % (names[fields[0]], escape(name), escape(value))


def record(apache, path):
    out, count = [], 0
    for block in re.split(r"\n\n+", open(path).read().strip()):
        lines = [line for line in block.split("\n") if line[0] not in ">="]
        ours = [line for line in block.split("\n") if line[0] == "="]
        case = {}
        for line in lines:
            if not line.startswith("#"):
                key, _, value = line.partition(": ")
                case.setdefault(key.rstrip(":"), []).append(value)
        if case:
            count += 1
            lines += apache.ask(case)
        out.append("\n".join(lines + ours))
    open(path, "w").write("\n\n".join(out) + "\n")
    print(path, count, "cases")


if __name__ == "__main__":
    files = sys.argv[1:] or sorted(HERE + "/" + name for name in os.listdir(HERE) if name.endswith(".txt"))
    with Apache() as apache:
        for path in files:
            record(apache, path)
