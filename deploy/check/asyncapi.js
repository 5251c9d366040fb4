// node asyncapi.js LIBRARY FILE: parses an AsyncAPI document with the project's own parser; errors fail.
const { readFileSync } = require("node:fs");
const [library, file] = process.argv.slice(2);
const { Parser } = require(require("node:path").resolve(library));

new Parser().parse(readFileSync(file, "utf8"), { source: file }).then(({ diagnostics }) => {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 0);
  for (const error of errors) console.error(`${error.path.join(".")}: ${error.message}`);
  process.exitCode = errors.length === 0 ? 0 : 1;
});
