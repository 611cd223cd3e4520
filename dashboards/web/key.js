// Asking who somebody is, once: name and key stay in this tab.

import { recall, remember } from "./memory.js";

const byId = (id) => document.getElementById(id);
const saved = (name) => recall(name, "sessionStorage") ?? "";

/**
 * Do `attempt(name)` under a name and key, asking for them in a dialog until it works.
 *
 * With `onlyIfNeeded` what was entered before is tried first. Ends when the attempt worked or the
 * person gave up; every refusal is shown in the dialog, in the service's own words.
 */
export async function askForKey(attempt, { onlyIfNeeded = false } = {}) {
  let problem = "";
  if (onlyIfNeeded && saved("apiKey") && saved("name")) {
    try {
      await attempt(saved("name"));
      return;
    } catch (error) {
      problem = error.message;
    }
  }
  await dialog(attempt, problem);
}

function dialog(attempt, problem) {
  const [box, form, error] = [byId("key-dialog"), byId("key-form"), byId("key-error")];
  form.elements.name.value = saved("name");
  form.elements.key.value = saved("apiKey");
  error.textContent = problem;

  async function submit(event) {
    event.preventDefault();
    const before = saved("apiKey");
    remember("name", form.elements.name.value.trim(), "sessionStorage");
    remember("apiKey", form.elements.key.value.trim(), "sessionStorage");
    try {
      await attempt(saved("name"));
      box.close();
    } catch (refusal) {
      remember("apiKey", before, "sessionStorage"); // a refused key would spoil every other request
      error.textContent = refusal.message;
    }
  }

  return new Promise((resolve) => {
    const cancel = () => box.close();
    form.addEventListener("submit", submit);
    byId("key-cancel").addEventListener("click", cancel);
    box.addEventListener(
      "close",
      () => {
        form.removeEventListener("submit", submit);
        byId("key-cancel").removeEventListener("click", cancel);
        resolve();
      },
      { once: true },
    );
    box.showModal();
  });
}
