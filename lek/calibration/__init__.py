"""Calibration: how well a judge agrees with recorded or human verdicts on the same answers.

Public: `CalibrationRun`, `calibrate` (`lek.calibration.compare`), `Calibration`
(`lek.calibration.agreement`), and its forms for people (`lek.calibration.report`).
"""
