// Prints every example payload of the npm package @octokit/webhooks-examples, one JSON document a line.
// The argument is the folder where the package is installed.
const fs = require("node:fs");
const path = require("node:path");

const root = path.join(process.argv[2], "node_modules", "@octokit", "webhooks-examples");
for (const version of fs.readdirSync(root)) {
  const file = path.join(root, version, "index.json");
  if (!fs.existsSync(file)) continue;
  for (const webhook of JSON.parse(fs.readFileSync(file, "utf8"))) {
    for (const example of webhook.examples) console.log(JSON.stringify(example));
  }
}
