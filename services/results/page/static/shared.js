// A shared meeting: read, heard and searched like any other, and never changed.
import { startClicks } from "./clicks.js";
import "./find.js";
import { startKeys } from "./keys.js";
import "./place.js";

startKeys();
startClicks();
