// Asks Claude with the provider's SDK, as often as told, and prints what it reads, one line of JSON each.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, apiKey, parameters, count] = process.argv.slice(2);
const client = new Anthropic({ apiKey, baseURL, maxRetries: 0, logLevel: "off" });

for (let nth = 0; nth < Number(count); nth++) {
  try {
    const message = await client.messages.stream(JSON.parse(parameters)).finalMessage();
    const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
    const { id, model, stop_reason, usage: { input_tokens, output_tokens } } = message;
    console.log(JSON.stringify({ text, stop_reason, id, model, input_tokens, output_tokens }));
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    console.log(JSON.stringify({ error: error.error?.error?.type ?? null }));
  }
}
