// The one place that speaks HTTP. Addresses are relative: the page works under any path.

import { recall } from "./memory.js";

const TIMEOUT_MS = 15000;

/** What the service answered instead of data; `status` 0 when it did not answer at all. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function explained(response) {
  try {
    const problem = await response.json();
    return problem.detail ?? problem.title ?? response.statusText;
  } catch {
    return response.statusText || `HTTP ${response.status}`;
  }
}

async function request(path, options = {}) {
  const key = recall("apiKey", "sessionStorage");
  const headers = { Accept: "application/json", ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, {
      ...options,
      headers,
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new ApiError(0, error.message);
  }
  if (!response.ok) throw new ApiError(response.status, await explained(response));
  return response.json();
}

const api = (path) => request(`api/v1/${path}`);
const id = encodeURIComponent;

export const kahrizes = () => api("kahrizes");
export const water = (kahriz) => api(`kahrizes/${id(kahriz)}/water?by=day`);
export const detection = (kahriz) => api(`kahrizes/${id(kahriz)}/detection`);
export const ratings = (site) => api(`ratings/${id(site)}`);
/** Service, losses, trend and the forecast, of the last 30 days and of all years. */
export const statistics = (kahriz) => api(`kahrizes/${id(kahriz)}/statistics?forecast=true`);
/** The last 365 days in a few figures. */
export const summary = (kahriz) => api(`kahrizes/${id(kahriz)}/summary`);
export const alerts = () => api("alerts?limit=30");
export const alert = (number) => api(`alerts/${id(number)}`);
export const devices = () => api("devices");

/** Observations of one datastream in [start, end), thinned by the service to about `points`. */
export const observations = (datastream, start, end, points) =>
  api(
    `datastreams/${id(datastream)}/observations?start=${id(start.toISOString())}` +
      `&end=${id(end.toISOString())}&max_points=${points}`,
  );

export const contacts = () => api("contacts");
export const silences = () => api("silences");
export const works = (kahriz) => api(`kahrizes/${id(kahriz)}/maintenance`);
export const texts = (kahriz) => api(`kahrizes/${id(kahriz)}/texts`);
/** The running month's texts and their cost. */
export const month = () => api("messages/summary");

const change = (method, path, body) =>
  request(`api/v1/${path}`, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });

// What people do, under a name; each needs a key that may write.
export const acknowledge = (number, by) => change("POST", `alerts/${id(number)}/acknowledgement`, { by });
export const onSite = (number, by) => change("POST", `alerts/${id(number)}/on-site`, { by });
export const falseAlarm = (number, by) => change("POST", `alerts/${id(number)}/false-alarm`, { by });
export const silence = (kahriz, kind, hours, by) => change("POST", "silences", { kahriz, kind, hours, by });
export const endSilence = (number) => change("DELETE", `silences/${id(number)}`);
export const endWorks = (kahriz, by) => change("POST", `kahrizes/${id(kahriz)}/maintenance/end`, { by });

/** How the service itself is: `{status, since, checks}`; it says so with status 503 when degraded. */
export async function health() {
  const response = await fetch("health", {
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return response.json();
}
