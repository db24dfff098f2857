// Reads request bodies as busboy, multer with body-parser (Express), multiparty and formidable do.
// Lines of JSON in, lines of JSON out; ../README.md has the form.
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import bodyParser from "body-parser";
import busboy from "busboy";
import { XMLParser } from "fast-xml-parser";
import formidable from "formidable";
import multer from "multer";
import multiparty from "multiparty";

/** Further header fields of the request at hand. */
let further = [];

/** The values of a request that a parser finds. */
function request(type, body) {
  const stream = Readable.from(body.length > 0 ? [body] : [], { objectMode: false });
  stream.socket = { readable: true };
  stream.complete = true;
  stream.method = "POST";
  stream.url = "/";
  // As Node has it, the first Content-Type counts.
  const fields = further.map(([name, value]) => [name.toLowerCase(), value]);
  const own = { "content-type": type.toString("latin1"), "content-length": String(body.length), host: "a.example" };
  stream.headers = { ...Object.fromEntries(fields), ...own };
  return stream;
}

/** The names and texts within a value; what is no text has its name only. */
function leaves(value, path = [], out = []) {
  if (Array.isArray(value)) {
    for (const inner of value) leaves(inner, path, out);
  } else if (value !== null && typeof value === "object") {
    const keys = Object.keys(value);
    for (const key of keys) leaves(value[key], [...path, key], out);
    if (keys.length === 0) out.push([path.join("."), ""]);
  } else {
    out.push([path.join("."), typeof value === "string" ? value : ""]);
  }
  return out;
}

/** Runs one of Express's handlers. */
function handle(handler, type, body) {
  const incoming = request(type, body);
  return new Promise((resolve, reject) => {
    handler(incoming, {}, (error) => (error ? reject(error) : resolve(incoming)));
  });
}

function readBusboy(type, body) {
  return new Promise((resolve, reject) => {
    const incoming = request(type, body);
    const fields = [];
    const files = [];
    // What was read before an error has been handed to the application.
    const fail = (error) => (fields.length + files.length ? resolve({ fields, files }) : reject(error));
    const parser = busboy({ headers: incoming.headers });
    parser.on("field", (name, value) => fields.push([name ?? "", value]));
    parser.on("file", (name, stream, info) => {
      files.push([name ?? "", info.filename ?? ""]);
      stream.on("error", fail).resume();
    });
    parser.on("error", fail).on("close", () => resolve({ fields, files }));
    incoming.pipe(parser);
  });
}

async function readMulter(type, body) {
  const incoming = await handle(multer().any(), type, body);
  return {
    fields: leaves(incoming.body ?? {}).filter(([name]) => name !== ""),
    files: (incoming.files ?? []).map((file) => [file.fieldname ?? "", file.originalname ?? ""]),
  };
}

async function readBodyParser(handler, type, body) {
  const incoming = await handle(handler, type, body);
  return { fields: incoming.body === undefined ? [] : leaves(incoming.body), files: [] };
}

function readMultiparty(type, body) {
  return new Promise((resolve, reject) => {
    const fields = [];
    const files = [];
    const fail = (error) => (fields.length + files.length ? resolve({ fields, files }) : reject(error));
    const form = new multiparty.Form();
    form.on("field", (name, value) => fields.push([name ?? "", value]));
    form.on("part", (part) => {
      files.push([part.name ?? "", part.filename ?? ""]);
      part.on("error", fail).resume();
    });
    form.on("error", fail).on("close", () => resolve({ fields, files }));
    form.parse(request(type, body));
  });
}

async function readFormidable(type, body) {
  const fields = [];
  const files = [];
  const form = formidable({ allowEmptyFiles: true, minFileSize: 0, maxFieldsSize: 1 << 30 });
  form.on("field", (name, value) => fields.push([name ?? "", typeof value === "string" ? value : JSON.stringify(value)]));
  form.onPart = (part) => {
    if (part.originalFilename || part.mimetype) {
      files.push([part.name ?? "", part.originalFilename ?? ""]);
      part.resume?.();
    } else {
      form._handlePart(part);
    }
  };
  try {
    await form.parse(request(type, body));
  } catch (error) {
    if (fields.length + files.length === 0) throw error;
  }
  return { fields, files };
}

const xml = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseTagValue: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
});

function readXml(type, body) {
  const fields = [];
  const walk = (nodes) => {
    for (const { ":@": attributes, ...node } of nodes) {
      fields.push(...Object.entries(attributes ?? {}));
      for (const [name, value] of Object.entries(node)) {
        if (Array.isArray(value)) walk(value);
        else fields.push([name, String(value)]);
      }
    }
  };
  if (type.toString("latin1").split(";")[0].toLowerCase().includes("xml")) walk(xml.parse(body.toString("utf8")));
  return { fields: fields.filter(([name, value]) => String(value).trim() !== "" && !name.startsWith("@xmlns")), files: [] };
}

const urlencoded = bodyParser.urlencoded({ extended: true });
const json = bodyParser.json();
const stacks = {
  busboy: { multipart: readBusboy, urlencoded: readBusboy },
  "multer and body-parser": {
    multipart: readMulter,
    urlencoded: (type, body) => readBodyParser(urlencoded, type, body),
    json: (type, body) => readBodyParser(json, type, body),
  },
  multiparty: { multipart: readMultiparty },
  // Its urlencoded parser reads bytes as ASCII of seven bits, so that no gate sees what it sees.
  formidable: { multipart: readFormidable },
  "fast-xml-parser": { xml: readXml },
};

const encode = (text) => Buffer.from(String(text), "utf8").toString("base64");
/** busboy gives undefined for what is in a charset that it does not know. */
const pairs = (list) =>
  list.filter(([, value]) => value !== undefined).map(([name, value]) => [encode(name), encode(value)]);
/** Rejects if a parser neither ends nor fails. All of them work in memory, so a number of turns is enough; but unpacking is done
 * by other threads, which take their time. */
function turns(count, state) {
  return new Promise((_, reject) => {
    const fail = () => reject(new Error("neither end nor error"));
    if (further.length > 0) {
      setTimeout(fail, 60_000);
      return;
    }
    const turn = () => {
      if (state.done) return;
      if (count-- > 0) setImmediate(turn);
      else fail();
    };
    turn();
  });
}

process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});
for await (const line of createInterface({ input: process.stdin })) {
  const { id, kind, type, headers, body } = JSON.parse(line);
  further = headers;
  for (const [stack, readers] of Object.entries(stacks)) {
    const read = readers[kind];
    if (!read) continue;
    let answer;
    const state = { done: false };
    try {
      const reading = read(Buffer.from(type, "base64"), Buffer.from(body, "base64"));
      const { fields, files } = await Promise.race([reading, turns(1000, state)]);
      answer = { id, stack, fields: pairs(fields), files: pairs(files) };
    } catch (error) {
      answer = { id, stack, error: String(error).slice(0, 200) };
    }
    state.done = true;
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
process.exit(0);
