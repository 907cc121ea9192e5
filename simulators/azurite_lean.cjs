// Azurite's telemetry is off, but its libraries are loaded all the same and take two thirds of a start: 1.7 s of CPU.
const http = require("node:http");
const Module = require("node:module");

const load = Module._load;
const absent = new Proxy(function () {}, { get: () => absent, apply: () => absent, construct: () => absent });

Module._load = function (name, ...rest) {
  return name === "applicationinsights" ? absent : load.call(this, name, ...rest);
};

// Azurite closes a connection after five idle seconds, and its clients keep one for fifteen. On a busy machine they send
// into connections that are being closed, one after another, and give up: storage seems to be away.
const IDLE_MILLISECONDS = 60_000;
const listen = http.Server.prototype.listen;

http.Server.prototype.listen = function (...where) {
  this.keepAliveTimeout = IDLE_MILLISECONDS;
  return listen.apply(this, where);
};
