// Serves the independent emulator fauxqs on loopback. In the folder where `npm install fauxqs` ran:
//
//   node --input-type=module - PORT < fauxqs.mjs
import { buildApp } from "fauxqs";

await buildApp({ logger: false }).listen({ port: Number(process.argv[2]), host: "127.0.0.1" });
console.log("listening");
