"""Reads request bodies as Django, Flask, python-multipart and defnull's multipart do.

Lines of JSON in, lines of JSON out; ../README.md has the form.
"""

import base64
import io
import json
import logging
import sys
from xml.etree import ElementTree

import django
import flask
import multipart as defnull
import python_multipart
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest

settings.configure(DEFAULT_CHARSET="utf-8", FILE_UPLOAD_MAX_MEMORY_SIZE=1 << 30, DATA_UPLOAD_MAX_NUMBER_FIELDS=None)
django.setup()
logging.disable(logging.CRITICAL)
flask_app = flask.Flask("bodies")


def environ(kind, body):
    return {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "",
        "SERVER_NAME": "a.example", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "a.example",
        "CONTENT_TYPE": kind.decode("latin-1"), "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }


def is_json(kind):
    essence = kind.decode("latin-1").split(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def leaves(value, path=()):
    """Names and texts of a JSON document; what is no text has its name only."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, path + (key,))
        if not value:
            yield ".".join(path), ""
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield ".".join(path), value if isinstance(value, str) else ""


def django_form(kind, body):
    request = WSGIRequest(environ(kind, body))
    fields = [(name, value) for name, values in request.POST.lists() for value in values]
    files = [(name, file.name) for name, values in request.FILES.lists() for file in values]
    return fields, files


def django_json(kind, body):
    if not is_json(kind):
        return [], []
    return list(leaves(json.loads(WSGIRequest(environ(kind, body)).body))), []


def flask_form(kind, body):
    with flask_app.request_context(environ(kind, body)):
        fields = list(flask.request.form.items(multi=True))
        files = [(name, file.filename or "") for name, file in flask.request.files.items(multi=True)]
    return fields, files


def flask_json(kind, body):
    with flask_app.request_context(environ(kind, body)):
        return list(leaves(flask.request.get_json())), []


def python_multipart_form(kind, body):
    fields, files = [], []
    parser = python_multipart.create_form_parser(
        {"Content-Type": kind},
        lambda field: fields.append((field.field_name or b"", field.value or b"")),
        lambda file: files.append((file.field_name or b"", file.file_name or b"")),
    )
    # What was read before an error has been handed to the application.
    try:
        parser.write(body)
        parser.finalize()
    except Exception:
        if not fields and not files:
            raise
    return fields, files


def defnull_form(kind, body):
    forms, files = defnull.parse_form_data(environ(kind, body), charset="utf8", strict=False)
    fields = [(name, value) for name, value in forms.iterallitems()]
    return fields, [(name, file.filename or "") for name, file in files.iterallitems()]


def starlette_json(kind, body):
    if not is_json(kind):
        return [], []
    return list(leaves(json.loads(body))), []


def expat(kind, body):
    if "xml" not in kind.decode("latin-1").split(";")[0].lower():
        return [], []
    fields = []
    for element in ElementTree.fromstring(body).iter():
        name = element.tag.rsplit("}")[-1]
        fields += [(name, text) for text in (element.text, element.tail) if text and text.strip()]
        fields += [("@" + key.rsplit("}")[-1], value) for key, value in element.attrib.items()]
    return fields, []


STACKS = {
    "Django": {"multipart": django_form, "urlencoded": django_form, "json": django_json},
    "Flask": {"multipart": flask_form, "urlencoded": flask_form, "json": flask_json},
    "python-multipart": {"multipart": python_multipart_form, "urlencoded": python_multipart_form},
    "defnull/multipart": {"multipart": defnull_form, "urlencoded": defnull_form},
    "Python's expat": {"xml": expat},
}


def encode(item):
    if isinstance(item, str):
        item = item.encode("utf-8", "surrogatepass")
    return base64.b64encode(item).decode()


def main():
    for line in sys.stdin:
        case = json.loads(line)
        kind, body = base64.b64decode(case["type"]), base64.b64decode(case["body"])
        for name, value in case["headers"]:
            # As gunicorn has it, the last field counts.
            if name.lower() == "content-type":
                kind = value.encode("latin-1")
        for stack, readers in STACKS.items():
            reader = readers.get(case["kind"])
            if reader is None:
                continue
            answer = {"id": case["id"], "stack": stack}
            try:
                fields, files = reader(kind, body)
                answer["fields"] = [[encode(name), encode(value)] for name, value in fields]
                answer["files"] = [[encode(name), encode(value)] for name, value in files]
            except Exception as error:
                answer["error"] = f"{type(error).__name__}: {error}"[:200]
            print(json.dumps(answer))


main()
