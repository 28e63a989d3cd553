"""A second process that sends a fixed number of requests, evenly over the seconds, and says what became of each.

``python load.py ADDRESS TOKEN COUNT SECONDS`` prints a list of [status, version, what is wrong] as JSON; an error of
the connection is [0, its name, ""]. Nothing is sent twice.
"""

import asyncio
import json
import sys

import httpx

RUBRIC = {"criteria": "Is it prime?", "levels": ["no", "hardly", "half", "nearly", "yes"]}


async def main(address: str, token: str, count: int, seconds: float) -> None:
    async with httpx.AsyncClient(
        base_url=address,
        headers={"Authorization": f"Bearer {token}"},
        timeout=300,
        limits=httpx.Limits(max_connections=256, max_keepalive_connections=256),
    ) as client:

        async def ask(number: int) -> list[object]:
            await asyncio.sleep(seconds * number / count)
            item = {"item_id": str(number), "instruction": f"Name prime {number}.", "rubric": RUBRIC}
            try:
                if number % 2:
                    answer = await client.post("/grade/direct", json=item | {"response": "9"})
                else:
                    answer = await client.post("/grade/pairwise", json=item | {"response_a": "9", "response_b": "7"})
            except httpx.HTTPError as error:
                return [0, type(error).__name__, ""]
            row = answer.json()
            assert row.get("item_id", str(number)) == str(number), "an answer to another request"
            return [answer.status_code, row.get("model_version"), row.get("detail", "")]

        print(json.dumps(await asyncio.gather(*map(ask, range(count)))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
