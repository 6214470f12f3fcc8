// A charging station of OCPP 2.0.1 or 2.1 on the npm package ocpp-rpc. For 2.0.1 in its strict mode: every call, answer
// and error in both directions is checked against the schemas that the package ships (its schemas of 2.1 are
// incomplete). The car is plugged in before the driver shows the card, and the meter signs. What happened is printed as
// one JSON object per line.
//
//   node ocpp_rpc_station2.js URL IDENTITY PASSWORD TOKEN VERSION
"use strict";

const { readFileSync } = require("node:fs");
const { RPCClient, createRPCError } = require("ocpp-rpc");
const { obeyUpkeep, running } = require("./ocpp_rpc_upkeep.js");

const [url, identity, password, uid, version] = process.argv.slice(2);
const TRANSACTION = "7a8f7f5e-1f0c-4d0e-9d1b-3d1f3a0d2c11";
const METER_START = 10000; // Wh
const READINGS = [12500, 15000]; // Wh
const METER_STOP = 17500; // Wh
const SIGNED = 'OCMF|{"FV":"1.0","RD":[{"RV":10.000,"RU":"kWh"}]}|{"SD":"3046"}';

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
    protocols: [version],
    strictMode: version === "ocpp2.0.1",
    callTimeoutMs: 30000,
});

station.on("message", ({ message, outbound }) => say("frame", { outbound, text: message.toString() }));
station.on("strictValidationFailure", ({ error }) => {
    say("invalid", { error: String(error), details: error.details });
});
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
            chargingStation: { vendorName: "outside", model: "ocpp-rpc", firmwareVersion: running.firmware },
            reason: "PowerUp",
        });
        say("boot", answer);
        if (answer.status === "Accepted") return;
        await pause(Math.min(answer.interval, 1) * 1000);
    }
}

let seqNo = 0;

async function tell(eventType, triggerReason, { info = {}, wh, context = "Sample.Periodic", signed, ...more } = {}) {
    const timestamp = now();
    const event = {
        eventType,
        timestamp,
        triggerReason,
        seqNo: seqNo++,
        transactionInfo: { transactionId: TRANSACTION, ...info },
        ...more,
    };
    if (wh !== undefined) {
        const sampled = { value: wh / 1000, context, unitOfMeasure: { unit: "kWh", multiplier: 0 } };
        if (signed) {
            sampled.signedMeterValue = {
                signedMeterData: signed, signingMethod: "", encodingMethod: "OCMF", publicKey: "TUZrdw==",
            };
        }
        event.meterValue = [{ timestamp, sampledValue: [sampled] }];
    }
    return station.call("TransactionEvent", event);
}

async function charge() {
    const status = (connectorStatus) =>
        station.call("StatusNotification", { timestamp: now(), connectorStatus, evseId: 1, connectorId: 1 });
    const evse = { id: 1, connectorId: 1 };
    const idToken = { idToken: uid, type: "ISO14443" };

    await status("Available");
    await station.call("Heartbeat", {});
    await status("Occupied");
    await tell("Started", "CablePluggedIn", {
        evse, info: { chargingState: "EVConnected" }, wh: METER_START, context: "Transaction.Begin", signed: SIGNED,
    });
    await pause(1100);
    const authorized = await station.call("Authorize", { idToken });
    say("authorize", authorized.idTokenInfo);
    if (authorized.idTokenInfo.status !== "Accepted") return;

    const started = await tell("Updated", "Authorized", { idToken });
    say("start", { status: started.idTokenInfo.status });
    await tell("Updated", "ChargingStateChanged", { info: { chargingState: "Charging" } });
    for (const value of READINGS) {
        await pause(400);
        await tell("Updated", "MeterValuePeriodic", { wh: value });
    }
    await tell("Updated", "StopAuthorized", { info: { chargingState: "EVConnected" }, idToken });
    await tell("Ended", "EVDeparted", {
        info: { stoppedReason: "EVDisconnected" }, wh: METER_STOP, context: "Transaction.End",
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
