// The AsyncAPI document, as AsyncAPI's own parser sees it. Argument: its file. Prints the mistakes and the operations.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
// That a newer version of AsyncAPI is out is no mistake.
const mistakes = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version');
for (const { message, path } of mistakes) console.error(`${path.join('.')}: ${message}`);
if (!document || mistakes.length > 0) process.exit(1);
console.log(JSON.stringify({
  version: document.version(),
  operations: document.operations().all().map((operation) => operation.id()).sort(),
  messages: document.messages().all().map((message) => message.id()).sort(),
  security: document.servers().all().flatMap((server) => server.security().flatMap((of) => of.all().map((one) => one.scheme().type()))),
}));
