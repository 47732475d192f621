"""Asks Claude with the provider's SDK, as often as told, and prints what it reads, one line of JSON each."""

import json
import sys

import anthropic

base_url, api_key, parameters, count = sys.argv[1:]
client = anthropic.Anthropic(api_key=api_key, base_url=base_url, max_retries=0)

for _ in range(int(count)):
    try:
        with client.messages.stream(**json.loads(parameters)) as stream:
            message = stream.get_final_message()
    except anthropic.APIStatusError as error:
        said = {"error": error.body["error"]["type"]}
    else:
        said = {
            "text": "".join(block.text for block in message.content if block.type == "text"),
            "stop_reason": message.stop_reason,
            "id": message.id,
            "model": message.model,
            "input_tokens": message.usage.input_tokens,
            "output_tokens": message.usage.output_tokens,
        }
    print(json.dumps(said))
