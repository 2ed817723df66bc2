// Receives callbacks and prints them. Takes only those that are signed with
// SHOTLINE_CALLBACK_SECRET and less than five minutes old.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from((process.env.SHOTLINE_CALLBACK_SECRET ?? "").replace(/^whsec_/, ""), "base64");
if (key.length < 24) throw new Error("SHOTLINE_CALLBACK_SECRET: want whsec_…, as serve has it");

function verified({ "webhook-id": id, "webhook-timestamp": at, "webhook-signature": given = "" }, body) {
  if (!(Math.abs(Date.now() / 1000 - at) < 300)) return false;
  const want = Buffer.from("v1," + createHmac("sha256", key).update(`${id}.${at}.`).update(body).digest("base64"));
  return given.split(" ").some((one) => {
    const got = Buffer.from(one);
    return got.length === want.length && timingSafeEqual(got, want);
  });
}

createServer((request, response) => {
  const parts = [];
  let size = 0;
  request.on("data", (part) => ((size += part.length) < 1 << 20 ? parts.push(part) : request.destroy()));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    if (!verified(request.headers, body)) return response.writeHead(401).end();
    const { type, data } = JSON.parse(body);
    console.log(type, data.id, data.image_url); // can come twice: remember the webhook-id
    response.writeHead(204).end();
  });
}).listen(process.env.PORT ?? 8090, "127.0.0.1");
