// Orders a screenshot, waits for it, and saves it as shot.png.
import { writeFile } from "node:fs/promises";
const jobs = process.env.SHOTLINE_URL + "/v1/jobs", headers = { "Content-Type": "application/json" };
const { id } = await (await fetch(jobs, { method: "POST", headers, body: '{"url":"https://example.com/"}' })).json();
console.log((await (await fetch(`${jobs}/${id}?wait=1m`)).json()).state);
await writeFile("shot.png", (await fetch(`${jobs}/${id}/image`)).body);
