// What the stations on the npm package ocpp-rpc do when their operator says so: they fetch firmware, and start anew
// with it.
"use strict";

// The firmware that runs: the first line of the file that was fetched before the last start
const running = { firmware: undefined };
let fetched;

function obeyUpkeep(station, { say, boot }) {
    const now = (work) => setImmediate(() => work().catch((error) => say("failed", { error: String(error), details: error.details })));

    async function update(location, requestId) {
        const about = requestId === undefined ? {} : { requestId };
        const tell = (status) => station.call("FirmwareStatusNotification", { status, ...about });
        await tell("Downloading");
        const answer = await fetch(location);
        if (!answer.ok) throw new Error(`${location}: ${answer.status}`);
        fetched = (await answer.text()).split("\n", 1)[0];
        await tell("Downloaded");
        await tell("Installing");
        await tell("Installed");
    }

    async function restart() {
        running.firmware = fetched ?? running.firmware;
        await station.close();
        await station.connect();
        await boot();
    }

    station.handle("UpdateFirmware", ({ params }) => {
        // 1.6 knows neither the request's number nor a status in the answer
        now(() => update(params.firmware?.location ?? params.location, params.requestId));
        return params.firmware ? { status: "Accepted" } : {};
    });
    station.handle("Reset", () => {
        now(restart);
        return { status: "Accepted" };
    });
}

module.exports = { obeyUpkeep, running };
