// Doing a thing again whenever it is asked for, but not more often than it pays.

/**
 * Wrap `work` so that asking for it is cheap: runs never overlap, begin at least `pauseMs` apart,
 * and the last request is always followed by a run. `now()` does not wait; `stop()` forgets.
 */
export function paced(work, pauseMs) {
  let timer = null;
  let begunAt = -Infinity;
  let isRunning = false;
  let isWanted = false;

  async function run() {
    [timer, begunAt, isRunning, isWanted] = [null, performance.now(), true, false];
    try {
      await work();
    } finally {
      isRunning = false;
      if (isWanted) soon();
    }
  }

  function soon() {
    isWanted = true;
    if (timer !== null || isRunning) return;
    timer = setTimeout(run, Math.max(0, begunAt + pauseMs - performance.now()));
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    isWanted = false;
  }

  function now() {
    clearTimeout(timer);
    timer = null;
    begunAt = -Infinity;
    soon();
  }
  return { soon, now, stop };
}
