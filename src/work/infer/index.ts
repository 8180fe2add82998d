export { digestLogits, probabilities, toAnswer, type Answer, type LabelProbability } from "./answer.ts";
export { openPredictor, rowLength, type Predictor, type PredictorOptions, type TokenRow } from "./predictor.ts";
export { lockstepFileSchema, readEncoder, readVersion, readWeights, type Calibration, type Encoder, type LockstepFile, type Version, type VersionFiles } from "./version.ts";
