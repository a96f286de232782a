// The Lambda Runtime API's loop, as small as it can be: AWS's own does more, so it flatters Node.
import { Agent, request } from "node:http";

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

const call = (method, url, body) =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, agent }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });

const { handler } = await import("./index.mjs");
for (;;) {
  const event = await call("GET", `${api}/next`);
  const id = event.headers["lambda-runtime-aws-request-id"];
  try {
    const result = await handler(JSON.parse(event.body));
    await call("POST", `${api}/${id}/response`, JSON.stringify(result ?? null));
  } catch (error) {
    await call("POST", `${api}/${id}/error`, JSON.stringify({ errorMessage: `${error.stack}` }));
  }
}
