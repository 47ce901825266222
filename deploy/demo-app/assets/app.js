// sent by @HOST@
"use strict";

const byId = (id) => document.getElementById(id);
const page = document.body.dataset;

byId("script-host").textContent = "@HOST@";

// The choice outlives the reload it is about.
let reloading = sessionStorage.getItem("reloading") !== "no";
let timer;
function applyReloading() {
  clearTimeout(timer);
  byId("reload").textContent = reloading ? "Stop reloading" : "Reload every two seconds";
  if (reloading) timer = setTimeout(() => location.reload(), 2000);
}
byId("reload").addEventListener("click", () => {
  reloading = !reloading;
  sessionStorage.setItem("reloading", reloading ? "yes" : "no");
  applyReloading();
});
applyReloading();

async function showSession() {
  try {
    const answer = await (await fetch("/whoami")).json();
    byId("session").textContent = answer.host + ": " + answer.message;
  } catch (error) {
    byId("session").textContent = "no answer: " + error.message;
  }
}
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  await fetch("/login", { method: "POST", body: new URLSearchParams({ user: byId("user").value }) });
  showSession();
});
byId("logout").addEventListener("click", async () => {
  await fetch("/logout", { method: "POST" });
  showSession();
});
showSession();

byId("fetch").addEventListener("click", async () => {
  const line = document.createElement("li");
  try {
    const answer = await (await fetch(page.api)).json();
    line.textContent = answer.host + ": " + answer.animals.map((animal) => animal.name + " the " + animal.kind).join(", ");
  } catch (error) {
    line.textContent = "no answer: " + error.message;
  }
  byId("answers").prepend(line);
});
