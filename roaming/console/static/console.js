"use strict";
// Draws the state that /console/events sends. Texts of stations and partners only ever become text nodes.

let chosen = null;
let shown = null;

const byId = (id) => document.getElementById(id);

function make(tag, text, classes = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = classes;
  return node;
}

function row(cells) {
  const tr = document.createElement("tr");
  for (const cell of cells) tr.append(cell instanceof Node ? cell : make("td", cell));
  return tr;
}

const amount = (value, digits) => (value === null || value === undefined ? "–" : Number(value).toFixed(digits));
const number = (text) => make("td", text, "number");
const money = (value, currency) => (value === null || value === undefined ? "–" : `${amount(value, 2)} ${currency}`);

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Console": "1" },
    body: JSON.stringify(body),
  });
  byId("said").textContent = (await answer.json()).said;
}

function drawDrivers(drivers) {
  byId("controls").hidden = drivers.length === 0;
  if (chosen === null && drivers.length) chosen = drivers[0].uid;
  const box = byId("drivers");
  if (box.childElementCount === drivers.length) return;
  box.replaceChildren(...drivers.map((driver) => {
    const button = make("button", `${driver.name}: ${driver.note}`);
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(driver.uid === chosen));
    button.addEventListener("click", () => {
      chosen = driver.uid;
      for (const other of box.children) other.setAttribute("aria-checked", String(other === button));
    });
    return button;
  }));
}

function drawStations(stations, canPlug, areThereMore) {
  const cards = stations.map((station) => {
    const card = make("div", "", `station ${station.is_bound ? station.status : "waiting"} ${station.is_online ? "" : "offline"}`);
    card.append(make("b", station.evse || station.station));
    card.append(make("small", [station.make, station.location].filter(Boolean).join(" · ")));
    const words = station.is_bound ? station.status.replaceAll("_", " ").toLowerCase() : "waits to be bound";
    card.append(make("span", station.is_online ? words : "offline", "status"));
    if (station.is_bound) {
      const link = make("a", "90 days", "ribbon");
      link.href = `/console/ribbon?${new URLSearchParams({ station: station.station, network: station.network })}`;
      link.target = "_blank";
      link.rel = "noopener";
      link.setAttribute("aria-label", `How ${station.evse || station.station} was in 90 days`);
      card.append(link);
    }
    if (canPlug && station.is_bound) {
      const button = make("button", "Plug in");
      button.disabled = !station.is_online || station.status !== "AVAILABLE";
      button.setAttribute("aria-label", `Plug in at ${station.evse}`);
      button.addEventListener("click", () => ask("/console/plug-in", { evse: station.evse, driver: chosen }));
      card.append(button);
    }
    return card;
  });
  if (areThereMore) cards.push(make("p", `The first ${stations.length}: roaming station list --find TEXT finds any.`, "empty"));
  const focused = document.activeElement?.getAttribute("aria-label");
  byId("stations").replaceChildren(...(cards.length ? cards : [make("p", "No station has connected yet.", "empty")]));
  if (focused) document.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function drawSessions(sessions, canStop) {
  const rows = sessions.map((session) => {
    const last = make("td", "");
    if (canStop && session.status === "ACTIVE") {
      const button = make("button", "Stop");
      button.setAttribute("aria-label", `Stop the session at ${session.evse}`);
      button.addEventListener("click", () => ask("/console/stop", { session: session.id }));
      last.append(button);
    }
    const state = session.status === "ACTIVE" ? "wait" : "good";
    return row([session.evse, session.driver, session.how.replaceAll("_", " ").toLowerCase(), number(amount(session.kwh, 3)),
      number(money(session.cost, session.currency)), make("td", session.status.toLowerCase(), state), last]);
  });
  byId("sessions").replaceChildren(...rows);
}

function drawCdrs(cdrs) {
  byId("cdrs").replaceChildren(...cdrs.map((cdr) => {
    const tone = cdr.state === "acknowledged" ? "good" : cdr.state === "refused" || cdr.state === "given up" ? "poor" : "wait";
    const tries = cdr.attempts > 1 ? ` after ${cdr.attempts} tries` : "";
    const state = make("td", `${cdr.state}${cdr.partner ? ` by ${cdr.partner}` : ""}${tries}`, tone);
    state.title = cdr.error;
    return row([make("td", cdr.id.slice(0, 8), "mono"), cdr.evse, cdr.owner, number(amount(cdr.kwh, 3)),
      number(money(cdr.cost, cdr.currency)), number(money(cdr.with_taxes, cdr.currency)), state]);
  }));
}

function draw(state) {
  shown = state;
  byId("notice").textContent = state.notice;
  for (const [name, value] of Object.entries(state.totals)) {
    const node = byId(`t-${name}`);
    if (node) node.textContent = value;
  }
  drawDrivers(state.drivers);
  drawStations(state.stations, state.drivers.length > 0, state.are_there_more_stations);
  drawSessions(state.sessions, state.drivers.length > 0);
  drawCdrs(state.cdrs);
  byId("partners").replaceChildren(...(state.partners.length
    ? state.partners.map((partner) => make("li", `${partner.name} (${partner.id}): ${partner.state.toLowerCase()}`))
    : [make("li", "None yet: roaming partner add NAME", "empty")]));
}

const source = new EventSource("/console/events");
source.onmessage = (event) => {
  byId("live").textContent = "live";
  byId("live").className = "on";
  draw(JSON.parse(event.data));
};
source.onerror = () => {
  byId("live").textContent = shown ? "connection lost, trying again …" : "connecting …";
  byId("live").className = "";
};
