// News from the service: server-sent events, and asking by ourselves where they do not come.

export const ALL = ["latest", "alerts", "water", "messages", "devices", "people"];
export const POLL_S = 5;
const SILENCE_MS = 30000; // an open line this quiet is tested: a dead one looks the same

/**
 * Keep `refresh(topics)` called whenever something changed, for as long as the page lives.
 *
 * `refresh` resolves to whether the service answered. `show({state, since})` is told how we are
 * connected: `connecting`, `live`, `polling` (no events, but answers) or `lost` (neither, `since`
 * the Date of the last word heard).
 */
export function follow(refresh, show) {
  let source = null;
  let isOpen = false;
  let heardAt = null;
  const startedAt = new Date();

  function heard(state) {
    heardAt = new Date();
    show({ state, since: heardAt });
  }

  async function ask() {
    const answered = await refresh(ALL);
    if (answered) heard(isOpen ? "live" : "polling");
    else show({ state: "lost", since: heardAt ?? startedAt });
  }

  function open() {
    source?.close();
    source = new EventSource("api/v1/events");
    source.addEventListener("open", () => {
      isOpen = true;
      // Whatever happened while the line was down is asked for once.
      void ask();
    });
    source.addEventListener("change", (event) => {
      heard("live");
      void refresh(JSON.parse(event.data).topics);
    });
    source.addEventListener("error", () => {
      const wasOpen = isOpen;
      isOpen = false;
      if (wasOpen) void ask();
    });
  }

  function check() {
    if (source.readyState === EventSource.CLOSED) open(); // refused: the browser gives up, we do not
    const isQuiet = heardAt === null || Date.now() - heardAt.getTime() > SILENCE_MS;
    if (!isOpen || isQuiet) void ask();
  }

  show({ state: "connecting", since: startedAt });
  open();
  setInterval(check, POLL_S * 1000);
  window.addEventListener("online", check);
  // Close the line on leaving, or a server that is stopping waits for it.
  window.addEventListener("pagehide", () => source.close());
}
