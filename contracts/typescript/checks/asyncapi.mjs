// Exit status 0 only if AsyncAPI's own parser finds neither errors nor warnings in the document.
import { readFile } from "node:fs/promises";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const [file] = process.argv.slice(2);
const { document, diagnostics } = await new Parser().parse(await readFile(file, "utf8"));
const wrong = diagnostics.filter(({ severity }) => severity <= DiagnosticSeverity.Warning);
for (const { code, message, path } of wrong) console.error(`${code}: ${path.join(".")}: ${message}`);
if (!document || wrong.length) process.exit(1);
console.log(`${file}: AsyncAPI ${document.version()}, ${document.allMessages().length} messages, nothing wrong`);
