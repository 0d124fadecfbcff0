// The official TypeScript clients, told by lines of JSON what to do. A line of an answer has the number of the line it answers.
//
//     client.mjs v1|legacy|auto PROGRAM [ARGUMENT...]

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [kind, command, ...args] = process.argv.slice(2);
const fetched = createRequire(`${process.env.LOOPSY_AGENTS}/client.js`);
const say = (line) => console.log(JSON.stringify(line));
const info = { name: "client", version: "1.0.0" };
const updated = ({ params }) => say({ event: "updated", uri: params.uri });

async function first() {
  const { Client } = fetched("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = fetched("@modelcontextprotocol/sdk/client/stdio.js");
  const { ResourceUpdatedNotificationSchema } = fetched("@modelcontextprotocol/sdk/types.js");
  const client = new Client(info);
  const transport = new StdioClientTransport({ command, args, env: process.env });
  let version;
  transport.setProtocolVersion = (agreed) => (version = agreed);
  await client.connect(transport);
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, updated);
  return {
    client,
    version,
    call: (told, options) => client.callTool(told, undefined, options),
    subscribe: (told) => client.subscribeResource(told),
  };
}

async function second() {
  const { Client } = fetched("@modelcontextprotocol/client");
  const { StdioClientTransport } = fetched("@modelcontextprotocol/client/stdio");
  const client = new Client(info, { versionNegotiation: { mode: kind } });
  await client.connect(new StdioClientTransport({ command, args, env: process.env }));
  client.setNotificationHandler("notifications/resources/updated", updated);
  const modern = client.getProtocolEra() === "modern";
  const listen = async ({ uri }) => void (await client.listen({ resourceSubscriptions: [uri] }));
  return {
    client,
    version: client.getNegotiatedProtocolVersion(),
    call: (told, options) => client.callTool(told, options),
    subscribe: modern ? listen : (told) => client.subscribeResource(told),
  };
}

const { client, version, call, subscribe } = await (kind === "v1" ? first() : second());
const under_way = new Map();
const can = {
  tools: () => client.listTools(),
  call: (told, number) => {
    const cancelling = new AbortController();
    under_way.set(number, cancelling);
    const onprogress = ({ message }) => say({ event: "progress", of: number, message });
    return call(told, { onprogress, signal: cancelling.signal, resetTimeoutOnProgress: true });
  },
  cancel: ({ of }) => under_way.get(of).abort("cancelled"),
  resources: () => client.listResources(),
  templates: () => client.listResourceTemplates(),
  read: (told) => client.readResource(told, { cacheMode: "bypass" }),
  subscribe,
  prompts: () => client.listPrompts(),
  prompt: (told) => client.getPrompt(told),
  complete: ({ argument, prompt, template }) =>
    client.complete({ argument, ref: prompt ? { type: "ref/prompt", name: prompt } : { type: "ref/resource", uri: template } }),
};

say({ event: "connected", version });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: what, with: told } = JSON.parse(line);
  Promise.resolve()
    .then(() => can[what](told, id))
    .then((result) => say({ id, result: result ?? {} }), (error) => say({ id, error: String(error) }));
}
await client.close();
