"""Calibration: how well a judge agrees with recorded or human verdicts on the same answers.

Public: `CalibrationRun`, `calibrate` (`lek.calibration.compare`), `Calibration`
(`lek.calibration.agreement`), and its output as text, JSON and HTML (`lek.calibration.report`).
"""
