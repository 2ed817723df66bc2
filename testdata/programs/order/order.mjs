// Orders a screenshot, waits for it, and saves it as shot.png. Repeats a request
// if serve restarts or is unavailable: the Idempotency-Key makes all of them one job.
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

async function api(path, init = {}) {
  const headers = { Authorization: `Bearer ${process.env.SHOTLINE_TOKEN}`, "Content-Type": "application/json", ...init.headers };
  for (let pause = 0; ; pause++) {
    await sleep(1000 * pause);
    const [status, body] = await fetch(process.env.SHOTLINE_URL + path, { ...init, headers, signal: AbortSignal.timeout(60_000) })
      .then(async (answer) => [answer.status, Buffer.from(await answer.arrayBuffer())])
      .catch((error) => [503, error.cause ?? error]);
    if (status < 300) return body;
    if (pause === 9 || ![429, 502, 503, 504].includes(status)) throw new Error(`${path}: ${body}`);
  }
}

let job = JSON.parse(await api("/v1/jobs", { method: "POST", headers: { "Idempotency-Key": "order-17" }, body: '{"url":"https://example.com/"}' }));
while (["queued", "submitting", "pending"].includes(job.state)) job = JSON.parse(await api(`/v1/jobs/${job.id}?wait=30s`));
console.log(job.state, job.image_url ?? job.error);
await writeFile("shot.png", await api(`/v1/jobs/${job.id}/image`));
