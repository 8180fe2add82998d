export { digestLogits, probabilities, toAnswer, type Answer, type LabelProbability } from "./answer.ts";
export { openPredictor, rowLength, type Predictor, type PredictorOptions, type TokenRow } from "./predictor.ts";
export { lockstepFileSchema, readEncoder, readLockstepFile, readVersion, readVersionInfo, readWeights, type Calibration, type Encoder, type LockstepFile, type Version, type VersionFiles, type VersionInfo } from "./version.ts";
