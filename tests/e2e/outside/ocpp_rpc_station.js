// A charging station on the npm package ocpp-rpc, in its strict mode: every call, answer and error in both directions
// is checked against the OCPP 1.6 schemas that the package ships. Its behaviour is read from its command line, what
// happened is printed as one JSON object per line.
//
//   node ocpp_rpc_station.js URL IDENTITY PASSWORD TOKEN
"use strict";

const { readFileSync } = require("node:fs");
const { RPCClient, createRPCError } = require("ocpp-rpc");
const { obeyUpkeep, running } = require("./ocpp_rpc_upkeep.js");

const [url, identity, password, idTag] = process.argv.slice(2);
const METER_START = 10000; // Wh
const READINGS = [12500, 15000]; // Wh
const METER_STOP = 17500; // Wh

// Security profile 3, and whether to be commanded before the charge
const { STATION_CERTIFICATE, STATION_KEY, WAITS_FOR_COMMAND } = process.env;
const certificate = STATION_CERTIFICATE
    ? { cert: readFileSync(STATION_CERTIFICATE), key: readFileSync(STATION_KEY) }
    : {};

const say = (what, details = {}) => console.log(JSON.stringify({ what, ...details }));
const now = () => new Date().toISOString();
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const station = new RPCClient({
    endpoint: url,
    identity,
    password: password || undefined,
    wsOpts: certificate,
    protocols: ["ocpp1.6"],
    strictMode: true,
    callTimeoutMs: 30000,
});

station.on("message", ({ message, outbound }) => say("frame", { outbound, text: message.toString() }));
station.on("strictValidationFailure", ({ error }) => {
    say("invalid", { error: String(error), details: error.details });
});
station.handle("RemoteStartTransaction", () => ({ status: "Rejected" }));
station.handle("GetConfiguration", () => ({ configurationKey: [], unknownKey: [] }));
station.handle("ChangeConfiguration", () => ({ status: "NotSupported" }));
let obey;
const commanded = new Promise((resolve) => { obey = resolve; });
station.handle("TriggerMessage", ({ params }) => {
    if (params.requestedMessage !== "Heartbeat") return { status: "NotImplemented" };
    obey();
    return { status: "Accepted" };
});
station.handle(({ method }) => {
    say("asked", { method });
    throw createRPCError("NotImplemented");
});

obeyUpkeep(station, { say, boot });

async function boot() {
    for (;;) {
        const answer = await station.call("BootNotification", {
            chargePointVendor: "outside",
            chargePointModel: "ocpp-rpc",
            firmwareVersion: running.firmware,
        });
        say("boot", answer);
        if (answer.status === "Accepted") return;
        await pause(Math.min(answer.interval, 1) * 1000);
    }
}

async function charge() {
    const status = (value) =>
        station.call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: value, timestamp: now() });

    await status("Available");
    await station.call("Heartbeat", {});
    const { idTagInfo } = await station.call("Authorize", { idTag });
    say("authorize", idTagInfo);
    if (idTagInfo.status !== "Accepted") return;

    await status("Preparing");
    const started = await station.call("StartTransaction", {
        connectorId: 1, idTag, meterStart: METER_START, timestamp: now(),
    });
    say("start", { transactionId: started.transactionId, status: started.idTagInfo.status });
    await status("Charging");
    for (const value of READINGS) {
        await pause(400);
        await station.call("MeterValues", {
            connectorId: 1,
            transactionId: started.transactionId,
            meterValue: [{
                timestamp: now(),
                sampledValue: [
                    { value: String(value), measurand: "Energy.Active.Import.Register", unit: "Wh" },
                    { value: "7360.0", measurand: "Power.Active.Import", unit: "W" },
                ],
            }],
        });
    }
    await status("Finishing");
    await station.call("StopTransaction", {
        transactionId: started.transactionId, idTag, meterStop: METER_STOP, timestamp: now(), reason: "EVDisconnected",
    });
    say("stop", { energyWh: METER_STOP - METER_START });
    await status("Available");
}

async function main() {
    await station.connect();
    say("connected", { protocol: station.protocol });
    await boot();
    if (WAITS_FOR_COMMAND) {
        await commanded;
        await station.call("Heartbeat", {});
    }
    await charge();
    await station.close();
    say("closed");
}

main().catch((error) => {
    say("failed", { error: String(error), code: error.rpcErrorCode, details: error.details });
    process.exit(1);
});
