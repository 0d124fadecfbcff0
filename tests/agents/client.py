"""The official Python client, told by lines of JSON what to do. A line of an answer has the number of the line it answers.

    client.py auto|legacy PROGRAM [ARGUMENT...]
"""

import json
import os
import sys

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import PromptReference, ResourceTemplateReference, ResourceUpdatedNotification


def say(**line):
    print(json.dumps(line), flush=True)


def shape(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


class Driver:
    def __init__(self, client, tasks):
        self.client, self.tasks, self.scopes = client, tasks, {}

    async def call(self, number, name, arguments):
        async def progressed(progress, total, message):
            say(event="progress", of=number, message=message)

        return shape(await self.client.call_tool(name, arguments, progress_callback=progressed))

    async def tools(self, number):
        return shape(await self.client.list_tools())

    async def resources(self, number):
        return shape(await self.client.list_resources())

    async def templates(self, number):
        return shape(await self.client.list_resource_templates())

    async def read(self, number, uri):
        return shape(await self.client.read_resource(uri, cache_mode="bypass"))

    async def prompts(self, number):
        return shape(await self.client.list_prompts())

    async def prompt(self, number, name, arguments=None):
        return shape(await self.client.get_prompt(name, arguments))

    async def complete(self, number, argument, prompt=None, template=None):
        ref = PromptReference(name=prompt) if prompt else ResourceTemplateReference(uri=template)
        return shape(await self.client.complete(ref, argument))

    async def subscribe(self, number, uri):
        if self.client.protocol_version < "2026":
            return shape(await self.client.subscribe_resource(uri))
        listening = anyio.Event()
        self.tasks.start_soon(self.listen, uri, listening)
        await listening.wait()
        return {}

    async def listen(self, uri, listening):
        async with self.client.listen(resource_subscriptions=[uri]) as events:
            listening.set()
            async for event in events:
                say(event="updated", uri=event.uri)

    async def cancel(self, number, of):
        self.scopes[of].cancel()
        return {}

    async def answer(self, number, do, arguments):
        with anyio.CancelScope() as scope:
            self.scopes[number] = scope
            try:
                say(id=number, result=await getattr(self, do)(number, **arguments))
            except Exception as error:
                say(id=number, error=str(error))
        if scope.cancelled_caught:
            say(id=number, error="cancelled")


async def updated(message):
    if isinstance(message, ResourceUpdatedNotification):
        say(event="updated", uri=str(message.params.uri))


async def main(mode, program, *arguments):
    server = StdioServerParameters(command=program, args=list(arguments), env=dict(os.environ))
    async with Client(server, mode=mode, message_handler=updated) as client, anyio.create_task_group() as tasks:
        say(event="connected", version=client.protocol_version)
        driver = Driver(client, tasks)
        async for line in anyio.wrap_file(sys.stdin):
            told = json.loads(line)
            tasks.start_soon(driver.answer, told["id"], told["do"], told["with"])
        tasks.cancel_scope.cancel()


anyio.run(main, *sys.argv[1:])
