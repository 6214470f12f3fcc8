// An operator's own central system on the npm package ocpp-rpc, in its strict mode for the versions that it knows.
// What happens is printed as one JSON object per line, every message as it went over the wire.
//
//   node own_csms_rpc.js VERSION TOKEN...        the tokens that it knows
"use strict";

const { RPCServer, createRPCError } = require("ocpp-rpc");

const [version, ...known] = process.argv.slice(2);
const say = (what, details = {}) => console.log(JSON.stringify({ what, ...details }));
const now = () => new Date().toISOString();

const server = new RPCServer({ protocols: [version], strictMode: version === "ocpp2.0.1" });
server.auth((accept, reject, handshake) => {
    say("handshake", { identity: handshake.identity, password: String(handshake.password) });
    accept();
});

server.on("client", (client) => {
    client.on("message", ({ message, outbound }) => say("frame", { outbound, text: message.toString() }));
    client.on("strictValidationFailure", ({ error }) => say("invalid", { error: String(error) }));
    client.on("close", ({ code, reason }) => say("gone", { code, reason: String(reason) }));
    const info = ({ idToken }) => ({ status: known.includes(idToken) ? "Accepted" : "Unknown" });
    client.handle("BootNotification", () => {
        // A central system asks whenever it likes: here until the station has gone
        const asking = setInterval(() => {
            client.call("TriggerMessage", { requestedMessage: "Heartbeat" }).catch(() => {});
        }, 50);
        client.once("close", () => clearInterval(asking));
        return { status: "Accepted", interval: 300, currentTime: now() };
    });
    client.handle("Heartbeat", () => ({ currentTime: now() }));
    client.handle("StatusNotification", () => ({}));
    client.handle("MeterValues", () => ({}));
    client.handle("Authorize", ({ params }) => ({ idTokenInfo: info(params.idToken) }));
    client.handle("TransactionEvent", ({ params }) => (params.idToken ? { idTokenInfo: info(params.idToken) } : {}));
    client.handle(({ method }) => {
        say("asked", { method });
        throw createRPCError("NotImplemented");
    });
});

server.listen(0, "127.0.0.1").then((http) => say("listening", { port: http.address().port }));
