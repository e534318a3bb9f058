// The page of a shared meeting: reading, playback and search, without editing.
import { startClicks } from "./clicks.js";
import "./find.js";
import { startKeys } from "./keys.js";
import "./place.js";

startKeys();
startClicks();
