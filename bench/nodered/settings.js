// Node-RED as a peer under measurement: no editor, no word to anybody, its defaults otherwise.
module.exports = {
    flowFile: "flows.json",
    httpAdminRoot: false,
    httpNodeRoot: false,
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.BENCH_UI_PORT),
    credentialSecret: false,
    telemetry: { enabled: false, updateNotification: false },
    logging: { console: { level: "info", metrics: false, audit: false } },
};
