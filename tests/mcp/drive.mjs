// Drives the TypeScript clients of MCP, as drive.py does the Python ones: `drive.mjs sdk|client|auto COMMAND…` or `… URL`.
// Packages are looked for below the folder in MCP_PACKAGES. With MCP_ELICIT, the second client says so to whoever leads its user
// to an address, and each line is `{"result": …, "led": […]}`.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [which, command, ...args] = process.argv.slice(2);
const require = createRequire(process.env.MCP_PACKAGES + "/package.json");
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);

const parts =
  which === "sdk"
    ? [
        await load("@modelcontextprotocol/sdk/client/index.js"),
        await load("@modelcontextprotocol/sdk/client/stdio.js"),
        await load("@modelcontextprotocol/sdk/client/streamableHttp.js"),
      ]
    : [await load("@modelcontextprotocol/client"), await load("@modelcontextprotocol/client/stdio")];
const [core, stdio, http] = parts.map((part) => part.default ?? part);
const { Client } = core;
const { StdioClientTransport } = stdio;
const { StreamableHTTPClientTransport } = http ?? core;

const options = which === "auto" ? { versionNegotiation: { mode: "auto" } } : {};
const answer = process.env.MCP_ELICIT;
let led = [];
if (answer) options.capabilities = { elicitation: { url: {} } };
const client = new Client({ name: "drive", version: "1" }, options);
if (answer) {
  client.setRequestHandler("elicitation/create", async ({ params: { mode, url, message } }) => {
    led.push({ mode, url, message });
    return { action: answer };
  });
}
const headers = { Authorization: `Bearer ${process.env.COUNTERSIGN_KEY}` };
await client.connect(
  command.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(command), { requestInit: { headers } })
    : new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }),
);
for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  let result;
  led = [];
  try {
    if (step.do === "list") {
      result = { tools: (await client.listTools()).tools.map((tool) => tool.name).sort() };
    } else {
      result = await client.callTool({ name: step.name, arguments: step.arguments });
    }
  } catch (error) {
    result = { raised: String(error) };
  }
  console.log(JSON.stringify(answer ? { result, led } : result));
}
await client.close();
